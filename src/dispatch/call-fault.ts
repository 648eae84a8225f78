// Why a call to a handler brought no usable response: one word for each reason, whatever layer it came from.

import { errors } from 'undici'
import { EgressError } from '#access/egress/egress.ts'
import { own } from '#core/own.ts'

export type FaultReason =
  | 'refused_address' // the guard does not allow this endpoint
  | 'dns' // the name has no address
  | 'connect' // no connection: refused, unreachable, or not made in time
  | 'tls' // the handshake failed, or the certificate is not trusted
  | 'timeout' // the call took longer than it may
  | 'aborted' // we ended it
  | 'reset' // the other side ended the connection before the response was complete
  | 'body_too_large' // a successful response whose body we may not keep
  | 'malformed' // what was to be sent, or what came back, is not HTTP we can use

export class CallFault extends Error {
  override readonly name = 'CallFault'
  readonly reason: FaultReason
  constructor(reason: FaultReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

// undici's codes that do not mean a broken connection.
const REASONS: Record<string, FaultReason> = {
  UND_ERR_HEADERS_OVERFLOW: 'malformed',
  UND_ERR_INVALID_ARG: 'malformed',
  UND_ERR_CLOSED: 'aborted',
  UND_ERR_DESTROYED: 'aborted',
}

const MESSAGES: Record<string, string> = {
  UND_ERR_HEADERS_OVERFLOW: 'the headers or trailers of the response are too large',
}

/** The fault behind an error of an exchange whose connection stood. */
export function asFault(error: Error): CallFault {
  if (error instanceof CallFault) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // The parser can fail at a byte, or at the end because more should have come. The latter is a broken
  // connection, not a broken server: the next try may well succeed.
  const malformed = error instanceof errors.HTTPParserError && 'data' in error && error.data !== ''
  const reason = malformed ? 'malformed' : (own(REASONS, code) ?? 'reset')
  return new CallFault(reason, own(MESSAGES, code) ?? (error.message || code), { cause: error })
}

/** The fault behind an error between the head of a response and its body. The same head would be refused again. */
export const asHeadFault = (error: Error): CallFault =>
  error instanceof CallFault
    ? error
    : new CallFault('malformed', `the head of the response cannot be read: ${asFault(error).message}`, { cause: error })

/** The fault behind an error from before the connection stood. */
export function asDialFault(error: Error, phase: 'connect' | 'tls'): CallFault {
  if (error instanceof CallFault) return error
  if (error instanceof EgressError) return new CallFault(error.reason, error.message, { cause: error })
  // Every address of a name was tried; the parts say what happened at each, the whole has no message.
  const parts = error instanceof AggregateError ? error.errors.map((part: Error) => part.message).join('; ') : ''
  return new CallFault(phase, parts || error.message || `the ${phase} failed`, { cause: error })
}
