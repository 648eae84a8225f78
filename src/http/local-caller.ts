// Whether a caller is on this very machine, with no proxy in between: such a caller could read the process itself.

import type { FastifyRequest } from 'fastify'
import { own } from '#core/own.ts'

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/
/** Added by proxies; one on this machine forwards the calls of strangers. */
const PASSED_ON = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via']

export const isLocal = ({ socket, headers }: Pick<FastifyRequest, 'socket' | 'headers'>): boolean =>
  LOOPBACK.test(socket.remoteAddress ?? '') && !PASSED_ON.some((name) => own(headers, name) !== undefined)
