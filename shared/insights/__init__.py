"""The Customer Insights API."""
