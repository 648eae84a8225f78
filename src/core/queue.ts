/** The queue of all runs that Runyard itself dispatches over HTTP; no worker's queue can have this name. */
export const HTTP_QUEUE = '@http'
