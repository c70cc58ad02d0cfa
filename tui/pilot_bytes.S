/* pilot_bytes.S - see pilot_bytes.h. Pages of the file are pages of the program. */
        .section .rodata
        .balign 4096
        .globl pilot_begin
        .hidden pilot_begin
pilot_begin:
        .incbin PILOT_FILE
        .globl pilot_end
        .hidden pilot_end
pilot_end:
        .byte 0
        .section .note.GNU-stack, "", %progbits
