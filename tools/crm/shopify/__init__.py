"""Shopify: https://shopify.dev/docs/api/admin-graphql."""
