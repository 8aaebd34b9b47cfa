"""Klaviyo: https://developers.klaviyo.com."""
