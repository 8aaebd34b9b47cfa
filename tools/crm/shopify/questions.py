"""What Shopify is asked, in GraphQL (https://shopify.dev/docs/api/admin-graphql, version 2025-07)."""

from __future__ import annotations

from typing import Final

PAGE_SIZES: Final[dict[str, int]] = {"products": 50, "contacts": 100, "orders": 25, "checkouts": 50}
"""As many in one question that it stays within what one question may cost."""

QUESTIONS: Final = {
    "products": """
query Products($first: Int!, $after: String, $query: String) {
  products(first: $first, after: $after, query: $query, sortKey: ID) {
    pageInfo { hasNextPage endCursor }
    nodes {
      legacyResourceId title handle vendor onlineStoreUrl updatedAt
      category { name } featuredMedia { preview { image { url } } }
      variants(first: 100) {
        nodes { legacyResourceId sku title price inventoryQuantity inventoryItem { unitCost { amount } } }
      }
    }
  }
}""",
    "contacts": """
query Customers($first: Int!, $after: String, $query: String) {
  customers(first: $first, after: $after, query: $query, sortKey: ID) {
    pageInfo { hasNextPage endCursor }
    nodes {
      legacyResourceId firstName lastName locale note tags createdAt updatedAt
      defaultEmailAddress { emailAddress marketingState marketingUpdatedAt marketingOptInLevel }
      defaultPhoneNumber { phoneNumber }
      defaultAddress { company address1 zip city countryCodeV2 }
    }
  }
}""",
    "orders": """
query Orders($first: Int!, $after: String, $query: String) {
  orders(first: $first, after: $after, query: $query, sortKey: ID) {
    pageInfo { hasNextPage endCursor }
    nodes {
      legacyResourceId name email createdAt updatedAt cancelledAt displayFinancialStatus currencyCode
      customer { legacyResourceId }
      currentTotalPriceSet { shopMoney { amount } }
      currentTotalDiscountsSet { shopMoney { amount } }
      lineItems(first: 100) {
        nodes {
          sku name quantity
          originalUnitPriceSet { shopMoney { amount } }
          discountedTotalSet { shopMoney { amount } }
        }
      }
    }
  }
}""",
    "checkouts": """
query Checkouts($first: Int!, $after: String, $query: String) {
  abandonedCheckouts(first: $first, after: $after, query: $query, sortKey: CREATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id createdAt updatedAt completedAt abandonedCheckoutUrl
      customer { legacyResourceId defaultEmailAddress { emailAddress } }
      totalPriceSet { shopMoney { amount } }
    }
  }
}""",
}
FIELDS: Final = {
    "products": "products",
    "contacts": "customers",
    "orders": "orders",
    "checkouts": "abandonedCheckouts",
}
"""Under which name the answer holds them."""
