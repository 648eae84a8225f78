// The prices that a project has set itself. Providers are kept in lower case.
import type { Price } from '#core/usage/prices.ts'
import { column } from '#postgres/column.ts'
import type { Db } from '#postgres/sql.ts'

export type PriceRow = Price & { updatedAt: Date }

const columns = (db: Db) => db`
  provider, model, prompt_microusd_per_million as "promptMicrousdPerMillion",
  completion_microusd_per_million as "completionMicrousdPerMillion", updated_at as "updatedAt"`

/** A project's prices of one provider under any of these names. */
export const findPrices = async (
  db: Db,
  projectId: string,
  { provider, models }: { provider: string; models: readonly string[] },
): Promise<PriceRow[]> => [
  ...(await db<PriceRow[]>`
    select ${columns(db)} from model_prices
    where project_id = ${projectId}
      and provider = ${provider}
      and model = any(${column(models)}::text[])`),
]

export async function putPrice(db: Db, projectId: string, it: Price): Promise<PriceRow> {
  const [row] = await db<PriceRow[]>`
    insert into model_prices (project_id, provider, model, prompt_microusd_per_million, completion_microusd_per_million)
    values (
      ${projectId},
      ${it.provider},
      ${it.model},
      ${it.promptMicrousdPerMillion},
      ${it.completionMicrousdPerMillion}
    )
    on conflict (project_id, provider, model) do update set
      prompt_microusd_per_million = excluded.prompt_microusd_per_million,
      completion_microusd_per_million = excluded.completion_microusd_per_million,
      updated_at = excluded.updated_at
    returning ${columns(db)}`
  return row!
}

/** False when there is none. */
export async function deletePrice(db: Db, projectId: string, it: Pick<Price, 'provider' | 'model'>): Promise<boolean> {
  const [row] = await db`
    delete from model_prices
    where project_id = ${projectId}
      and provider = ${it.provider}
      and model = ${it.model}
    returning 1`
  return row !== undefined
}

/** From a price on (itself too), by provider and model, in the order of their bytes. */
export const listPrices = async (
  db: Db,
  projectId: string,
  { from, limit }: { from: Pick<Price, 'provider' | 'model'>; limit: number },
): Promise<PriceRow[]> => [
  ...(await db<PriceRow[]>`
    select ${columns(db)} from model_prices
    where project_id = ${projectId} and (provider, model) >= (${from.provider}, ${from.model})
    order by provider, model limit ${limit}`),
]
