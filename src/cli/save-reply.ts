// Saves a reply that may be large: to a file, which appears when it is complete, or to stdout.
import { createWriteStream, existsSync } from 'node:fs'
import { link, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Route } from '#contract/route.ts'
import { send, unanswered } from '#sdk/call.ts'
import { answeredError } from '#sdk/error.ts'
import { requestOf } from '#sdk/request.ts'
import type { Cli } from './cli.ts'
import type { Values } from './command.ts'
import { CommandError, EXIT, fileProblem } from './exit-codes.ts'
import { oneLine } from './safe-text.ts'

type Saving = { input: Values; path: string; replace: boolean; timeoutMs: number }

export async function saveReply(cli: Cli, route: Route, { input, path, replace, timeoutMs }: Saving): Promise<void> {
  if (path !== '-' && !replace && existsSync(path)) throw exists(path)
  const request = requestOf(route, input)
  const late = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([cli.signal, late])
  const failed = (error: unknown) => {
    cli.signal.throwIfAborted()
    return unanswered(error, late.aborted, `${request.method} ${request.target}`)
  }
  const response = await send(cli.connection, { request, signal, headers: { accept: '*/*' } }).catch((error) => {
    throw failed(error)
  })
  if (!response.ok || !response.body) throw await answeredError(response)
  const chunks = counted(cli, response.body, failed)
  if (path === '-') {
    for await (const chunk of chunks) await cli.terminal.bytes(chunk)
    return
  }
  const aside = `${path}.${process.pid}.part`
  try {
    await pipeline(chunks, createWriteStream(aside, { flags: 'wx', mode: 0o600 }))
    // A link refuses to replace what somebody else has written meanwhile; a rename would not.
    await (replace ? rename(aside, path) : link(aside, path))
  } catch (error) {
    cli.signal.throwIfAborted()
    throw (error as { code?: string }).code === 'EEXIST' ? exists(path) : fileProblem(path, error)
  } finally {
    await rm(aside, { force: true })
  }
  cli.terminal.line(oneLine(path))
}

async function* counted(
  cli: Cli,
  body: ReadableStream<Uint8Array>,
  failed: (error: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  try {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      cli.terminal.bar(0, null, `${Math.round(bytes / 1024)} KiB`)
      yield chunk
    }
  } catch (error) {
    throw failed(error)
  } finally {
    cli.terminal.endBar()
  }
}

const exists = (path: string): CommandError =>
  new CommandError('file', `${path} exists already.`, {
    exit: EXIT.conflict,
    hint: 'Choose another file with -o, or replace it with --force',
  })
