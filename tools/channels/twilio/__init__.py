"""Text messages through Twilio: https://www.twilio.com/docs/messaging."""
