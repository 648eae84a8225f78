import { connect } from '../src/storage/sql.ts'
const sql = connect(process.argv[2]!, { max: 1, plans: 'each' })
const ids = (await sql`select id from runs where project_id = 'default' order by created_at desc, id desc limit 50000`).map((r) => r.id)
for (const n of [100, 50000]) {
  const except = ids.slice(0, n)
  console.log('n', n)
  console.log((await sql`explain select id from (select id, created_at from runs where project_id = ${'default'}) a where not exists (select from unnest(${except}::uuid[]) as seen (id) where seen.id = a.id) order by created_at desc, id desc limit 50 offset 400000`).map((r: any) => r['QUERY PLAN']).join('\n'))
  console.log((await sql`explain select id from (select id, created_at from runs where project_id = ${'default'}) a where id <> all(${except}::uuid[]) order by created_at desc, id desc limit 50 offset 400000`).map((r: any) => r['QUERY PLAN'].slice(0, 200)).join('\n'))
}
await sql.end()
