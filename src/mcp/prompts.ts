// Prompts: questions that people ask again and again, worded for the tools that answer them.
type Prompt = {
  name: string
  title: string
  description: string
  arguments: readonly { name: string; description: string; required: boolean }[]
  write: (args: Readonly<Record<string, string>>) => string
}

export const PROMPTS: readonly Prompt[] = [
  {
    name: 'diagnose_run',
    title: 'Diagnose a run',
    description: 'Find out why a run failed or does not progress, and what to do.',
    arguments: [{ name: 'run_id', description: 'Id of the run.', required: true }],
    write: ({ run_id = '' }) =>
      `Diagnose the Runyard run ${run_id}. Read get_run first, then read_run_events around what went wrong, and trace_causes ` +
      'if something else caused it. Say in a few sentences what happened, what the evidence is, and what you would do next. ' +
      'Change nothing without being asked.',
  },
  {
    name: 'morning_report',
    title: 'Morning report',
    description: 'What happened since yesterday, and what needs a person.',
    arguments: [],
    write: () =>
      'Write a short report on Runyard. Use overview, find_runs for runs of the last 24 hours that failed or are dead letters, ' +
      'list_questions, and usage_summary by day and model. Begin with what needs a person today; then failures by job with ' +
      'one example each; then cost against the days before. Give ids, and no advice that the figures do not support.',
  },
  {
    name: 'review_agent',
    title: 'Review an agent',
    description: 'What an agent did, what its policy stopped, and whether the policy fits.',
    arguments: [{ name: 'agent_id', description: 'Id of the agent.', required: true }],
    write: ({ agent_id = '' }) =>
      `Review the agent ${agent_id} in Runyard. Use get_agent, find_runs with its agent_id, usage_summary by day, and ` +
      'list_questions. Say what it mostly does, what went wrong, what it cost, and whether its policy is too wide or too ' +
      'narrow. Try a better policy with try_policy before you propose it.',
  },
]
