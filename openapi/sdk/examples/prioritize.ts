// Score three features with RICE, rank them, and print the order:  ROADBED_API_KEY=rb_live_… node prioritize.ts
import { createRoadbed } from "roadbed";

const FEATURES = {
  "Real-time collaboration": { reach: 10000, impact: 3, confidence: 0.8, effort: 2 },
  "Dark mode": { reach: 5000, impact: 1, confidence: 1, effort: 0.5 },
  "API v2": { reach: 500, impact: 3, confidence: 0.6, effort: 6 },
};

const client = createRoadbed();
for (const [title, inputs] of Object.entries(FEATURES)) {
  const feature = await client.create_feature({ body: { title } });
  await client.create_score({ path: { id: feature.id }, body: { framework: "rice", inputs } });
}
const revision = await client.reprioritize({ body: { framework: "rice" } });
for (const row of revision.ranking) console.log(`${row.rank}. ${row.title} (${row.value})`);
