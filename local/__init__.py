"""The local stack: what stands in for Azure, Customer Insights and Power Automate on one machine."""
