// Answers bytes that are not an HTTP request: there is no request object yet, only a socket.
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError } from 'fastify'
import { refuse } from '#core/error.ts'
import { problemOf } from '../problems.ts'

export function answerBrokenRequest(error: ConnectionError, socket: Socket): void {
  // Reset by the other side, or already abandoned: nobody is there to be answered.
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const { status, reason } = complaintOf(error.code)
  const { error: problem } = problemOf(refuse('malformed', { reason }))
  const body = JSON.stringify({ error: problem, request_id: '' })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      'Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

function complaintOf(code: string | undefined): { status: number; reason: string } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, reason: 'The request took too long to arrive.' }
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, reason: 'The headers are too large.' }
    default:
      return { status: 400, reason: 'This is not a valid HTTP/1.1 request.' }
  }
}
