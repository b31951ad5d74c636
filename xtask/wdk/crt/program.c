/* Where a program starts. */

extern int main(int, char **);
extern __attribute__((noreturn)) void exit(int);
extern void run_initializers(void);

/* Rust's main asks Windows for the command line. */
__attribute__((noreturn)) void mainCRTStartup(void) {
    run_initializers();
    exit(main(0, 0));
}
