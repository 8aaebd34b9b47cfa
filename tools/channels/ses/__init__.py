"""Mail through Amazon SES: https://docs.aws.amazon.com/ses."""
