// Creates runs, and responds with their end, their events, or immediately.

import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import { parsedJson, printJson } from '#core/json/json.ts'
import { type FileRow, readFiles } from '#files/files.sql.ts'
import type { StoredFile } from '#files/files.ts'
import { callerOf, idempotencyKeyOf, type ScopedCaller } from '#http/caller.ts'
import { checkOf } from '#http/input/validation.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { isUuid } from '#postgres/id.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { type Triggered, triggerRun } from '#runs/trigger/trigger-runs.ts'
import { findApp } from './app.ts'
import * as contract from './contract.ts'
import type { Run } from './run-wire.ts'
import type { OpenStream } from './streams.ts'
import { discard, readUpload, refuseOtherBodies, runBodyOf } from './uploads.ts'
import { showNow, untilSettled } from './wait.ts'

type Asked = Static<typeof contract.RunInput>
type Files = { given: FileRow[]; uploaded: StoredFile[] }

const checkInput = checkOf(contract.RunInput)

export type CreateParts = { ctx: Ctx; stopping: AbortSignal; open: OpenStream }

/** Mounted by hand: the kind of response depends on the request, and its body may be a form. */
export function dynamiqCreateRoutes(app: FastifyInstance, { ctx, stopping, open }: CreateParts): void {
  const { createRun, uploadFile } = contract
  app.route({
    method: uploadFile.method,
    url: uploadFile.path,
    config: { route: uploadFile },
    handler: async (request, reply) => {
      const { projectId } = callerOf(request)
      if (!request.isMultipart()) throw refuseField('file', 'is required, as a part of multipart/form-data')
      const { files } = await readUpload(ctx, request, { projectId, part: 'file' })
      if (files.length === 1) return reply.send({ data: fileWire(files[0]!) })
      await discard(ctx, projectId, files)
      throw refuseField('file', files.length === 0 ? 'is required' : 'must be one part')
    },
  })
  app.route({
    method: createRun.method,
    url: createRun.path,
    config: { route: createRun },
    schema: { querystring: createRun.query },
    handler: async (request, reply) => {
      const { run, asked } = await create(ctx, request)
      if (asked.stream) {
        await open(request, reply, { run, afterSequence: 0 })
        return reply
      }
      if (asked.background) return sendRun(reply.code(202), await showNow(ctx, run))
      return answerWithEnd(ctx, reply, { run, stopping })
    },
  })
}

async function create(ctx: Ctx, request: FastifyRequest): Promise<{ run: RunRow; asked: Asked }> {
  const caller = callerOf(request) as ScopedCaller
  const { projectId, actor } = caller
  // Before any file is stored.
  const app = await findApp(ctx, request, projectId)
  const idempotencyKey = idempotencyKeyOf(request)
  const { asked, uploaded } = await readAsked(ctx, request, projectId)
  try {
    const files: Files = { given: await readGiven(ctx, projectId, asked.file_ids ?? []), uploaded }
    const { run, replayed } = await trigger(ctx, { app, asked, files, idempotencyKey, origin: { projectId, actor } })
    // The run has its own files, which were compared with these.
    if (replayed) await discard(ctx, projectId, uploaded)
    return { run, asked }
  } catch (error) {
    await discard(ctx, projectId, uploaded)
    throw error
  }
}

async function readAsked(ctx: Ctx, request: FastifyRequest, projectId: string) {
  if (!request.isMultipart()) {
    refuseOtherBodies(request)
    return { asked: checked(request.body), uploaded: [] }
  }
  const { files, fields } = await readUpload(ctx, request, { projectId, part: 'files' })
  try {
    return { asked: checked(runBodyOf(fields)), uploaded: files }
  } catch (error) {
    await discard(ctx, projectId, files)
    throw error
  }
}

function checked(body: unknown): Asked {
  const fields = checkInput(body)
  if (fields) throw refuse('invalid', { fields })
  const asked = body as Asked
  if (parsedJson(asked.input) === null || isBlank(asked.input)) throw refuseField('input', 'must not be blank')
  if (asked.stream && asked.background) throw refuseField('background', 'goes without stream only')
  return asked
}

/** An empty field is a missing input; so is a blank one. */
export function isBlank(json: unknown): boolean {
  const value = parsedJson(json)
  return typeof value === 'string' && value.trim() === ''
}

async function readGiven(ctx: Ctx, projectId: string, ids: readonly string[]): Promise<FileRow[]> {
  const files = new Map((await readFiles(ctx.sql, projectId, ids.filter(isUuid))).map((file) => [file.id, file]))
  return ids.map((id) => {
    const file = files.get(id.toLowerCase())
    if (!file) throw refuseField('file_ids', `names ${id}, and there is no such file`)
    return file
  })
}

type Trigger = {
  app: JobRow
  asked: Asked
  files: Files
  idempotencyKey: string | undefined
  origin: Pick<ScopedCaller, 'projectId' | 'actor'>
}

function trigger(ctx: Ctx, { app, asked, files, idempotencyKey, origin }: Trigger): Promise<Triggered> {
  const { input, user_id, session_id } = asked
  // By these, lists find the run; empty ones count as missing.
  const metadata = { ...(user_id && { user_id }), ...(session_id && { session_id }) }
  const given = files.given.map(fileWire)
  const withFiles = (uploaded: readonly object[]) => {
    const all = [...given, ...uploaded]
    return { input, ...metadata, ...(all.length > 0 && { files: all }) }
  }
  const request = {
    payload: withFiles(files.uploaded.map(fileWire)),
    metadata,
    idempotencyKey,
    // A form that is sent again uploads its files as new ones: they are equal when their contents are.
    comparedBy: withFiles(files.uploaded.map(({ name, mimeType, sha256 }) => ({ name, mimeType, sha256 }))),
  }
  return triggerRun(ctx, app.id, request, { ...origin, triggeredBy: 'manual' })
}

const fileWire = ({ id, name, size, mimeType }: FileRow) => ({ id, name, size, mime_type: mimeType })

const sendRun = (reply: FastifyReply, run: Run): FastifyReply =>
  reply.type('application/json; charset=utf-8').send(printJson({ data: run }))

/** How long a client waits for the end of its run. */
const WAIT_MS = 600_000
/** An idle connection is dropped, by us or by a proxy; whitespace before JSON is ignored. */
const BLANK_EVERY_MS = 15_000

type Waiting = { run: RunRow; stopping: AbortSignal }

async function answerWithEnd(ctx: Ctx, reply: FastifyReply, { run, stopping }: Waiting): Promise<FastifyReply> {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, stopping])
  const wait = { runId: run.id, signal, ms: BLANK_EVERY_MS }
  const settled = await untilSettled(ctx, wait)
  if (settled || signal.aborted) return sendRun(reply, await showNow(ctx, settled ?? run))
  async function* blanksThenRun(): AsyncGenerator<string> {
    for (let waitedMs = BLANK_EVERY_MS; waitedMs < WAIT_MS && !signal.aborted; waitedMs += BLANK_EVERY_MS) {
      yield ' '
      if (await untilSettled(ctx, wait)) break
    }
    yield printJson({ data: await showNow(ctx, run) })
  }
  return reply.type('application/json; charset=utf-8').send(Readable.from(blanksThenRun()))
}
