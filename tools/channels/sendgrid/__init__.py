"""Mail through Twilio SendGrid: https://www.twilio.com/docs/sendgrid."""
