// Sends mail through the operator's own server, within bounds of time.
import { createTransport } from 'nodemailer'
import { part } from '#bell/part.ts'

export type Mail = { to: readonly string[]; subject: string; text: string; id: string }
/** Rejects when the server did not take the mail. */
export type Mailer = { send: (mail: Mail) => Promise<void>; close: () => void }

/** Undefined where the operator has set no server. */
export const mailerOf = part<Mailer | undefined>(() => undefined)

const CONNECT_MS_MAX = 10_000
const SILENCE_MS_MAX = 15_000
/** For the whole mail: a server that answers each of many recipients slowly is never silent. */
const SEND_MS_MAX = 45_000

export type MailSettings = { url: string; from: string }

export function makeMailer({ url, from }: MailSettings): Mailer {
  const transport = createTransport({
    url,
    connectionTimeout: CONNECT_MS_MAX,
    greetingTimeout: CONNECT_MS_MAX,
    socketTimeout: SILENCE_MS_MAX,
    dnsTimeout: CONNECT_MS_MAX,
    // What is in a mail comes from clients: it names no file and no address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = from.slice(from.lastIndexOf('@') + 1).replace(/>.*$/, '')
  return {
    async send({ to, subject, text, id }) {
      // The same id for each try: servers and readers drop the repetition.
      const sent = transport.sendMail({ from, to: [...to], subject, text, messageId: `<${id}@${domain}>` })
      await within(SEND_MS_MAX, sent)
    },
    close: () => transport.close(),
  }
}

/** Rejects after `ms`. What still goes on then is ended by the bound on silence, and its outcome is not waited for. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`the mail server took longer than ${ms / 1_000} s`)), ms)
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
