// The orders, from a file: what would be a database.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'

const Order = z.object({ id: z.string(), customer: z.string(), status: z.string(), total: z.number() })
export type Order = z.output<typeof Order>

export const readOrders = async (path: string): Promise<Order[]> =>
  z.array(Order).parse(JSON.parse(await readFile(path, 'utf8')))
