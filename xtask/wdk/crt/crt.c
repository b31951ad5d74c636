/*
 * What a Rust program or library needs of Microsoft's libcmt.lib, for ARM64: initializers, the directory of
 * thread-local storage, and names that compiled code refers to. Functions of the C library proper are imported from
 * ucrtbase.dll, which is a part of Windows.
 *
 * https://learn.microsoft.com/cpp/c-runtime-library/crt-initialization
 * https://learn.microsoft.com/windows/win32/debug/pe-format#the-tls-section
 */

#define IN(name) __attribute__((section(name), used))

typedef void (*initializer)(void);
typedef void (*tls_callback)(void *, unsigned long, void *);

/* The linker sorts by what follows the dollar sign. */
static const initializer first_initializer IN(".CRT$XCA") = 0;
static const initializer last_initializer IN(".CRT$XCZ") = 0;
static const tls_callback first_callback IN(".CRT$XLA") = 0;
static const tls_callback last_callback IN(".CRT$XLZ") = 0;

/* Begins and ends what each thread gets a copy of. */
static char tls_start IN(".tls") = 0;
static char tls_end IN(".tls$ZZZ") = 0;

unsigned int _tls_index = 0;

struct tls_directory {
    const void *start;
    const void *end;
    const void *index;
    const void *callbacks;
    unsigned int zeros;
    unsigned int characteristics;
};

/* The linker finds it by this name. */
const struct tls_directory _tls_used IN(".rdata$T") = {
    &tls_start, &tls_end, &_tls_index, &first_callback + 1, 0, 0,
};

/* Says that floating point is used; nothing reads it. */
int _fltused = 0;

/* Descriptions of C++ types begin with its address; nothing is thrown, so nobody follows it. */
const void *const type_info_functions[1] __asm__("??_7type_info@@6B@") = {0};

void run_initializers(void) {
    /* volatile: to the compiler these are two objects and not the ends of one array. */
    const initializer *volatile next = &first_initializer;
    const initializer *volatile end = &last_initializer;
    while (next != end) {
        if (*next) {
            (*next)();
        }
        next++;
    }
}
