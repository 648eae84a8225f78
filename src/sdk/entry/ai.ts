// The package's entry `runyard/ai`: agents whose tools are governed and whose model calls are kept and booked. It needs no AI
// library, and works with the AI SDK, OpenAI's API and clients of MCP.
export { BudgetSpent, ToolBlocked, ToolFailed } from '../ai/errors.ts'
export type { Functions, FunctionTool } from '../ai/functions.ts'
export { type Govern, govern, type Meter } from '../ai/govern.ts'
export type { Governable, GovernOptions, ToolCall } from '../ai/governed-call.ts'
export type { McpOptions } from '../ai/mcp-client.ts'
export type { MeterOptions } from '../ai/model-call.ts'
export type { MiddlewareOptions, ModelMiddleware } from '../ai/model-middleware.ts'
export type { TokenUsage } from '../ai/token-usage.ts'
export { idempotencyKeyOf, type OptionsOf } from '../ai/tools.ts'
