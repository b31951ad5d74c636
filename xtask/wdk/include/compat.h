/* Included before everything else: types that wdk-sys names and mingw-w64's headers do not have. */
#ifndef KSWRITE_COMPAT_H
#define KSWRITE_COMPAT_H
typedef unsigned long long POOL_FLAGS;
#endif
