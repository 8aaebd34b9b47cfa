"""Mail through Resend: https://resend.com/docs."""
