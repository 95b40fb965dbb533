/** Why an attempt failed, unless its status has said all of it. */
export const reason = (error: string | null | undefined, status: number | null | undefined) => (error && error !== `HTTP ${status}` ? error : '')
