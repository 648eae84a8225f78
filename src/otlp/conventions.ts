// Which attribute means what, as data. First come the semantic conventions of OpenTelemetry as they are today, then as
// they were, then the dialects of OpenInference, OpenLLMetry (Traceloop) and the Vercel AI SDK. The first name that is
// present counts.

/** What a span tells of. Only a call of a model is charged: other kinds repeat the sums of the calls below them. */
export type SpanKind = 'model' | 'tool' | 'agent' | 'step'

/** What an attribute says, in lower case, and the kind of span that it stands for. Any other value is a step. */
export const KINDS: readonly (readonly [attribute: string, kinds: ReadonlyMap<string, SpanKind>])[] = [
  [
    'gen_ai.operation.name',
    new Map<string, SpanKind>([
      ['chat', 'model'],
      ['text_completion', 'model'],
      ['generate_content', 'model'],
      ['embeddings', 'model'],
      ['execute_tool', 'tool'],
      ['invoke_agent', 'agent'],
      ['create_agent', 'agent'],
      ['invoke_workflow', 'step'],
      ['plan', 'step'],
      ['retrieval', 'step'],
    ]),
  ],
  [
    'openinference.span.kind',
    new Map<string, SpanKind>([
      ['llm', 'model'],
      ['embedding', 'model'],
      ['tool', 'tool'],
      ['agent', 'agent'],
      ['chain', 'step'],
      ['retriever', 'step'],
      ['reranker', 'step'],
      ['guardrail', 'step'],
      ['evaluator', 'step'],
      ['prompt', 'step'],
    ]),
  ],
  [
    'traceloop.span.kind',
    new Map<string, SpanKind>([
      ['workflow', 'step'],
      ['task', 'step'],
      ['agent', 'agent'],
      ['tool', 'tool'],
    ]),
  ],
  [
    'llm.request.type',
    new Map<string, SpanKind>([
      ['chat', 'model'],
      ['completion', 'model'],
      ['embedding', 'model'],
      ['rerank', 'step'],
    ]),
  ],
  [
    'ai.operationId',
    new Map<string, SpanKind>([
      ['ai.generatetext', 'step'],
      ['ai.streamtext', 'step'],
      ['ai.generateobject', 'step'],
      ['ai.streamobject', 'step'],
      ['ai.embed', 'step'],
      ['ai.embedmany', 'step'],
      ['ai.generatetext.dogenerate', 'model'],
      ['ai.streamtext.dostream', 'model'],
      ['ai.generateobject.dogenerate', 'model'],
      ['ai.streamobject.dostream', 'model'],
      ['ai.embed.doembed', 'model'],
      ['ai.embedmany.doembed', 'model'],
      ['ai.toolcall', 'tool'],
    ]),
  ],
]

/** For spans that name no kind: an attribute that only such spans have. */
export const KIND_HINTS: readonly (readonly [attribute: string, kind: SpanKind])[] = [
  ['gen_ai.tool.name', 'tool'],
  ['gen_ai.request.model', 'model'],
  ['gen_ai.response.model', 'model'],
]

/** Where each fact about a span is looked for. */
export const NAMES = {
  runId: ['runyard.run_id'],
  agentId: ['runyard.agent_id', 'gen_ai.agent.id', 'gen_ai.agent.name', 'agent.name', 'ai.telemetry.functionId'],
  conversationId: ['gen_ai.conversation.id', 'session.id', 'traceloop.association.properties.session_id'],
  provider: ['gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'ai.model.provider'],
  model: [
    'gen_ai.response.model',
    'gen_ai.request.model',
    'llm.response.model',
    'llm.request.model',
    'llm.model_name',
    'embedding.model_name',
    'ai.response.model',
    'ai.model.id',
  ],
  promptTokens: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.usage.prompt_tokens',
    'llm.token_count.prompt',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
    'ai.usage.tokens',
  ],
  completionTokens: [
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens',
    'llm.usage.completion_tokens',
    'llm.token_count.completion',
    'ai.usage.outputTokens',
    'ai.usage.completionTokens',
  ],
  totalTokens: ['gen_ai.usage.total_tokens', 'llm.usage.total_tokens', 'llm.token_count.total', 'ai.usage.totalTokens'],
  costUsd: ['gen_ai.usage.cost', 'llm.cost.total'],
  tool: ['gen_ai.tool.name', 'tool.name', 'tool_call.function.name', 'ai.toolCall.name', 'traceloop.entity.name'],
  toolInput: [
    'gen_ai.tool.call.arguments',
    'tool.parameters',
    'ai.toolCall.args',
    'traceloop.entity.input',
    'input.value',
  ],
  toolOutput: ['gen_ai.tool.call.result', 'ai.toolCall.result', 'traceloop.entity.output', 'output.value'],
  /** Of a span that only names what it is in its own dialect. */
  stepName: ['gen_ai.agent.name', 'agent.name', 'gen_ai.workflow.name', 'traceloop.entity.name'],
} as const satisfies Record<string, readonly string[]>

/** The name that prices know a provider by. */
export const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ['azure', 'openai'],
  ['azure.ai.openai', 'openai'],
  ['az.ai.openai', 'openai'],
  ['gcp.gemini', 'google'],
  ['gcp.vertex_ai', 'google'],
  ['gcp.gen_ai', 'google'],
  ['gemini', 'google'],
  ['vertex_ai', 'google'],
  ['vertexai', 'google'],
  ['mistral_ai', 'mistral'],
  ['mistralai', 'mistral'],
  ['x_ai', 'xai'],
])
