// Touches each page of a new stack frame, so that the guard page moves. Asked with a sixteenth of the size in x15;
// may change x16 and x17 alone.
//
// https://learn.microsoft.com/cpp/build/arm64-windows-abi-conventions#stack

    .text
    .globl __chkstk
    .p2align 2
__chkstk:
    mov x16, sp
    sub x17, x16, x15, lsl #4
1:  sub x16, x16, #4096
    cmp x16, x17
    b.ls 2f
    ldr xzr, [x16]
    b 1b
2:  ldr xzr, [x17]
    ret
