/** The queue of all runs that Runyard dispatches over HTTP itself; no worker's queue can have this name. */
export const HTTP_QUEUE = '@http'

/** The queue under which external runs are counted. Nothing ever waits in it. */
export const EXTERNAL_QUEUE = '@external'

/** The queue of a job's runs. */
export const queueOf = ({ execution, queue }: { execution: string; queue: string }): string =>
  execution === 'http' ? HTTP_QUEUE : queue
