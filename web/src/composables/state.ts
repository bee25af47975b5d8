// How far a load has come.
export type LoadState = 'idle' | 'loading' | 'done' | 'error'
