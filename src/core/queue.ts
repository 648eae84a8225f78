/** The queue of all runs that Runyard itself dispatches over HTTP; no worker's queue can have this name. */
export const HTTP_QUEUE = '@http'

/** Where runs are counted that others execute and only report. Nothing ever waits in it. */
export const EXTERNAL_QUEUE = '@external'

/** The queue that a job's runs wait in. */
export const queueOf = ({ execution, queue }: { execution: string; queue: string }): string =>
  execution === 'http' ? HTTP_QUEUE : queue
