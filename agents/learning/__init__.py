"""What the numbers say: read-outs, forecasts and what is kept from them."""
