-- Spans of traces that are of no agent, for as long as the parts of their traces arrive.

create table held_spans (
  run_id uuid not null, -- Of the run that the trace becomes or is attached to; there may be none yet.
  trace_id text collate "C" not null,
  span_id text collate "C" not null,
  is_wanted boolean not null, -- A span that is kept is below it.
  span json, -- None until it is seen.
  seen_at timestamptz not null default clock_timestamp(),
  primary key (run_id, trace_id, span_id)
);
create index held_spans_by_time on held_spans (seen_at);
