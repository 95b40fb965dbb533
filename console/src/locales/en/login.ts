import type zh from '../zh/login'

const en: typeof zh = {}
export default en
