"""Mail through Mailgun: https://documentation.mailgun.com."""
