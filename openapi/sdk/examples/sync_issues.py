"""Bring issues of a tracker in, ten at a time; run it again and nothing is made twice.

ROADBED_API_KEY=rb_live_… python sync_issues.py
"""

import asyncio

from roadbed import NULL, AsyncRoadbed, FeatureContent, FeaturePatch

ISSUES = {f"RB-{number}": f"Issue {number}" for number in range(1, 26)}


async def main() -> None:
    slots = asyncio.Semaphore(10)
    async with AsyncRoadbed() as client:

        async def bring(key: str, title: str) -> None:
            async with slots:
                await client.upsert_feature("tracker", key, FeatureContent(title=title, description=f"From {key}"))

        await asyncio.gather(*(bring(key, title) for key, title in ISSUES.items()))
        found = [feature async for feature in client.list_features_items(source=["tracker"], limit=10)]
        print(f"{len(found)} features from the tracker")

        # None leaves a field as it is; NULL removes its value.
        cleared = await client.update_feature(found[0].id, FeaturePatch(description=NULL))
        print(f"{cleared.title}: description is {cleared.description}, version {cleared.version}")


if __name__ == "__main__":
    asyncio.run(main())
