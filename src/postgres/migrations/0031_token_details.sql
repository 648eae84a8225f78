-- Parts of the tokens of a call that callers may say: what came from a cache, and what was reasoning. Null: not said.
alter table run_usage
  add column cached_tokens bigint,
  add column reasoning_tokens bigint;
