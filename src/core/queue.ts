/** The queue of all runs that Runyard itself dispatches over HTTP; no worker's queue can have this name. */
export const HTTP_QUEUE = '@http'

/** Where runs are counted that others execute and only report. Nothing ever waits in it. */
export const EXTERNAL_QUEUE = '@external'
