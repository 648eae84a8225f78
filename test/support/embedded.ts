// Data dirs and embedded servers for tests. Whatever a test starts here is stopped when it ends.

import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inject, onTestFinished } from 'vitest'
import { findBinaries } from '#postgres/embedded/binaries.ts'
import { findServer } from '#postgres/embedded/pidfile.ts'
import { type Embedded, type EmbeddedOptions, startEmbedded } from '#postgres/embedded/server.ts'
import { stopServer } from '#postgres/embedded/stop.ts'
import { connect } from '#postgres/sql.ts'
import { type NodeProcess, startNode } from './processes.ts'

const exec = promisify(execFile)

/** A program that does nothing but start an embedded server; see there for what it obeys. */
export const CHILD = join(import.meta.dirname, 'start-embedded.ts')

const nameDir = (parent: string): string => join(parent, `data-${randomUUID().slice(0, 8)}`)

/** A data dir that is not there yet. */
export async function newDataDir(parent = inject('testRoot')): Promise<string> {
  const dataDir = nameDir(parent)
  onTestFinished(async () => {
    await stopServer(join(dataDir, 'postgres'), findBinaries())
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  })
  return dataDir
}

let used: Promise<string> | undefined

/** A data dir as a stopped Runyard leaves it. Copied, because that is quicker than making another one. */
export async function usedDataDir(): Promise<string> {
  used ??= useDataDir(nameDir(inject('testRoot')))
  const dataDir = await newDataDir()
  await exec('cp', ['-a', await used, dataDir])
  return dataDir
}

async function useDataDir(dataDir: string): Promise<string> {
  const { stop } = await startEmbedded({ dataDir, log: () => {} })
  await stop()
  return dataDir
}

/** In this process. `lines` is what it logs. */
export async function start(
  dataDir: string,
  more: Partial<EmbeddedOptions> = {},
): Promise<Embedded & { lines: string[] }> {
  const lines: string[] = []
  return { ...(await startEmbedded({ dataDir, log: (line) => void lines.push(line), ...more })), lines }
}

/** In a process of its own. */
export const startChild = (dataDir: string, account?: { uid: number; gid: number }): NodeProcess =>
  startNode(CHILD, [JSON.stringify({ dataDir })], { account })

export async function ready(child: NodeProcess): Promise<{ url: string; adopted: boolean }> {
  return JSON.parse((await child.line(/^ready: (.*)$/m))[1]!)
}

/** On a connection that does not look like one of Runyard's, so that it keeps no server running. */
export async function query<T extends object>(url: string, text: string): Promise<T[]> {
  const sql = connect(url, { max: 1, name: 'test' })
  return [...(await sql.unsafe<T[]>(text).finally(() => sql.end({ timeout: 1 })))]
}

export const portOf = (url: string): number => Number(new URL(url).port)

export const serverOf = (dataDir: string) => findServer(join(dataDir, 'postgres'))
