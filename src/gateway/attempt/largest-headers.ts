/** The most bytes of an answer's headers: proxies and engines put traces and policies there. */
export const LARGEST_HEADERS = 64 * 1024;
