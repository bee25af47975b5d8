// How a call went, as a person says it.

const words: Record<string, string> = {
  CALL_STATUS_RINGING: 'ringing',
  CALL_STATUS_IN_PROGRESS: 'in progress',
  CALL_STATUS_BUSY: 'busy',
  CALL_STATUS_FAILED: 'failed',
  CALL_STATUS_NO_ANSWER: 'not answered',
  CALL_STATUS_CANCELED: 'hung up before an answer',
}

/** "" where there is nothing to say; an ended call says how long it was. */
export function callOutcome(status: string, seconds: number): string {
  if (status !== 'CALL_STATUS_COMPLETED') return words[status] ?? ''
  const minutes = Math.floor(seconds / 60)
  return `${minutes}:${String(seconds % 60).padStart(2, '0')} min`
}
