"""The runbook: one file a flow, each reads like the steps that an operator would write down."""
