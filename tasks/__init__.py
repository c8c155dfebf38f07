"""One Prefect task a step, each thin: names, retries, artifacts. The thinking is in nftwave/."""
