"""Objects of the API and pure functions on them: resources, Status, selectors, patches."""
