/** As it is compared: addresses that differ in case alone are one person's. */
export const normalizeEmail = (email: string): string => email.trim().toLowerCase()
