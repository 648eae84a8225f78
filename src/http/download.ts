// A file instead of a JSON reply.
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

export class Download {
  readonly #fileName: string
  readonly #content: Readable

  /** `fileName` must be plain: see `fileNameOf`. */
  constructor(fileName: string, content: Readable) {
    this.#fileName = fileName
    this.#content = content
  }

  send(reply: FastifyReply, contentType: string): FastifyReply {
    return reply
      .code(200)
      .type(contentType)
      .header('content-disposition', `attachment; filename="${this.#fileName}"`)
      .header('x-content-type-options', 'nosniff')
      .send(this.#content)
  }
}

/** An HTML page instead of a JSON reply. `policy` is its Content-Security-Policy. */
export class Page {
  readonly #html: string
  readonly #policy: string

  constructor(html: string, policy: string) {
    this.#html = html
    this.#policy = policy
  }

  send(reply: FastifyReply, contentType: string): FastifyReply {
    return reply
      .code(200)
      .type(contentType)
      .headers({
        'content-security-policy': this.#policy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'private, no-store',
      })
      .send(this.#html)
  }
}

const NAME_LENGTH_MAX = 100

/** A name that is safe in a header and in every file system, whatever the client's name was. */
export const fileNameOf = (name: string): string => name.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, NAME_LENGTH_MAX)
