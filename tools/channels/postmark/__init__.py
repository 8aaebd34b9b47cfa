"""Mail through Postmark: https://postmarkapp.com/developer."""
