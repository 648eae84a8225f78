// How statements are written: the driver's template functions, with an executor of ours.
import postgres from 'postgres'
import { DRIVER, type Line, type Statement } from './line.ts'

export type Sql = postgres.Sql
/** A pool or a transaction: a function that takes it cannot reach outside of what it was given. */
export type Db = postgres.ISql

/** Writes statements and pieces of them, and never connects. */
const write = postgres('postgres://nowhere', DRIVER)

/** For pieces that are written before there is a connection to execute them on. */
export const pen: Db = write

type Tag = Pick<Sql, 'unsafe' | 'json' | 'array' | 'typed' | 'types'>

/** Statements that `run` executes. */
export function tagOf(run: (statement: Statement) => void): Tag {
  const adopt = <T>(made: T): T => {
    if (made instanceof Promise) (made as unknown as Statement).handler = run
    return made
  }
  const { json, array, typed, types } = write
  const tag = (...written: Parameters<Sql>) => adopt(write(...written))
  const unsafe: Tag['unsafe'] = (...written) => adopt(write.unsafe(...written))
  return Object.assign(tag, { unsafe, json, array, typed, types })
}

/** Statements on this line, whoever else uses it. */
export const onLine = (line: Line): Db => tagOf((statement) => line.run(statement)) as unknown as Db
