// The labels of runs: a row for each tag and each metadata entry, in the order in which lists show runs. `runs` says
// what a run is labelled with; run_labels is an index of it, kept by the statements that write there.
import type { Db, Fragment } from '#postgres/sql.ts'

export type LabelKind = 'tag' | 'metadata'

/** Where in run_labels the runs with this label stand: with this value, or with any under the key. */
export const labelled = (
  sql: Db,
  projectId: string,
  label: { kind: LabelKind; key: string; value: string | undefined },
): Fragment =>
  sql`${label.value === undefined ? sql`key_label` : sql`label`} =
    label_of(${projectId}, ${label.kind}, ${label.key}, ${label.value ?? null}::text)`

/** The first of these labels that any run of the project carries; the first of all when none does. */
export async function firstCarried(
  sql: Db,
  projectId: string,
  kind: LabelKind,
  labels: readonly (readonly [key: string, value: string | undefined])[],
): Promise<readonly [key: string, value: string | undefined]> {
  const keys = labels.map(([key]) => key)
  const values = labels.map(([, value]) => value ?? null)
  const [row] = await sql<{ ord: number }[]>`
    select ord::int from unnest(${keys}::text[], ${values}::text[]) with ordinality as t (key, value, ord)
    where case when value is null
      then exists (select from run_labels where key_label = label_of(${projectId}, ${kind}, key, null))
      else exists (select from run_labels where label = label_of(${projectId}, ${kind}, key, value)) end
    order by ord limit 1`
  return labels[(row?.ord ?? 1) - 1]!
}

/** Labels the runs of a CTE with id, project_id, tags, metadata and created_at. Runs without any cost nothing. */
export const insertLabels = (sql: Db, runs: string): Fragment => sql`
  insert into run_labels (label, key_label, created_at, run_id)
  select l.label, l.key_label, r.created_at, r.id
  from ${sql(runs)} r cross join lateral labels_of(r.project_id, r.tags::jsonb, r.metadata::jsonb) l
  where r.tags::text <> '{}' or r.metadata::text <> '{}'
  -- Neighbours in the index are written together.
  order by 1`

/** Takes the labels from the runs of a CTE like that. */
export const deleteLabels = (sql: Db, runs: string): Fragment => sql`
  delete from run_labels where ctid = any(array(
    select stale.ctid
    from ${sql(runs)} r cross join lateral labels_of(r.project_id, r.tags::jsonb, r.metadata::jsonb) l
      cross join lateral (
        -- "offset 0": looked up one by one, however many the planner takes them for.
        select ctid from run_labels where label = l.label and created_at = r.created_at and run_id = r.id offset 0
      ) stale
    where r.tags::text <> '{}' or r.metadata::text <> '{}'))`
