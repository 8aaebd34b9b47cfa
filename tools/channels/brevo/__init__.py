"""Mail through Brevo: https://developers.brevo.com."""
