// What a call to the API throws, and nothing else.

export class ApiError extends Error {
  constructor(
    // HTTP status; 0 if no answer came.
    readonly code: number,
    // gRPC's name of it, such as "INVALID_ARGUMENT".
    readonly status: string,
    // Stable and UPPER_SNAKE, such as "OPTED_OUT"; empty if the server gave none.
    readonly reason: string,
    // The server's sentence.
    message: string,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

interface ErrorBody {
  error?: { status?: string; message?: string; details?: { reason?: string }[] }
}

export function unreachable(): ApiError {
  return new ApiError(0, 'UNAVAILABLE', 'UNREACHABLE', 'No answer came.')
}

// `body` is whatever the answer held: a proxy's page is no JSON of ours.
export function errorOf(code: number, body: unknown): ApiError {
  const error = typeof body === 'object' && body !== null ? (body as ErrorBody).error : undefined
  const reason = error?.details?.find((detail) => detail.reason)?.reason ?? ''
  return new ApiError(code, error?.status ?? '', reason, error?.message ?? '')
}
