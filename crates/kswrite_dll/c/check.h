/* Checks that print a line each: `ok NAME`, or `FAILED NAME: expected X, saw Y`. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>
#include <windows.h>

static int checks_passed;
static int checks_failed;
static const char *check_scenario = "";
/* Only scenarios whose name contains this run. */
static const char *check_filter = "";

static inline int check_holds(const char *name, int holds)
{
    if (holds) {
        checks_passed++;
        printf("ok %s: %s\n", check_scenario, name);
    } else {
        checks_failed++;
    }
    return holds;
}

/* Numbers. */
static inline void check(const char *name, ULONGLONG expected, ULONGLONG seen)
{
    if (!check_holds(name, expected == seen))
        printf("FAILED %s: %s: expected %llu, saw %llu\n", check_scenario, name, expected, seen);
}

/* What a COM method returned. */
static inline void check_hr(const char *name, HRESULT expected, HRESULT seen)
{
    if (!check_holds(name, expected == seen))
        printf("FAILED %s: %s: expected 0x%08lX, saw 0x%08lX\n", check_scenario, name, (ULONG)expected, (ULONG)seen);
}

/* What a function returned that fails with FALSE or NULL and sets the last error; `error` 0 is success. */
static inline void check_call(const char *name, DWORD error, int succeeded)
{
    DWORD last = succeeded ? 0 : GetLastError();
    if (!check_holds(name, (error == 0) == (succeeded != 0) && error == last))
        printf("FAILED %s: %s: expected error %lu, saw %s with error %lu\n", check_scenario, name, error,
               succeeded ? "success" : "failure", last);
}

/* Memory. */
static inline void check_bytes(const char *name, const void *expected, const void *seen, size_t length)
{
    const unsigned char *e = (const unsigned char *)expected;
    const unsigned char *s = (const unsigned char *)seen;
    size_t at = 0;
    while (at < length && e[at] == s[at])
        at++;
    if (!check_holds(name, at == length))
        printf("FAILED %s: %s: expected 0x%02X at byte %lu of %lu, saw 0x%02X\n", check_scenario, name, e[at],
               (ULONG)at, (ULONG)length, s[at]);
}

/* Takes the arguments of main. */
static inline void check_begin(int argc, char **argv)
{
    /* A program that dies must not take along what it has said. */
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1)
        check_filter = argv[1];
}

/* How many handles the process has. Each number is tried: Wine's GetProcessHandleCount does not count. */
static inline DWORD check_handles(void)
{
    DWORD count = 0, flags;
    for (ULONG_PTR number = 4; number < 4096; number += 4)
        count += GetHandleInformation((HANDLE)number, &flags) != FALSE;
    return count;
}

/* Runs a scenario, after which the process must have no more handles than before. Threads of the library may still be on
   their way out. */
static inline void check_run(const char *scenario, void (*run)(void))
{
    DWORD before = check_handles();
    check_scenario = scenario;
    if (strstr(scenario, check_filter) == NULL)
        return;
    run();
    for (int patience = 100; patience > 0 && check_handles() > before; patience--)
        Sleep(50);
    check("handles that are left", 0, check_handles() > before ? check_handles() - before : 0);
}

/* The exit code. The last line says that the program came to its end. */
static inline int check_end(void)
{
    printf("end: %d ok, %d failed\n", checks_passed, checks_failed);
    return checks_failed == 0 ? 0 : 1;
}

#endif
