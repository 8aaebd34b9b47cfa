"""HubSpot: https://developers.hubspot.com/docs."""
