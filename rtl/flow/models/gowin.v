// What Yosys' models of Gowin cells leave open: PLL and block memories. Source of the memories: Gowin UG285.

// The clock is the oscillator's, so that one cycle is one cycle, and it locks soon.
module rPLL (
    input CLKIN, CLKFB, RESET, RESET_P,
    input [5:0] FBDSEL, IDSEL, ODSEL,
    input [3:0] PSDA, DUTYDA, FDLY,
    output CLKOUT, LOCK, CLKOUTP, CLKOUTD, CLKOUTD3
);
  parameter FCLKIN = "27", IDIV_SEL = 0, FBDIV_SEL = 0, ODIV_SEL = 8;
  reg [4:0] edges = 0;
  always @(posedge CLKIN) if (~&edges) edges <= edges + 1;
  assign CLKOUT = CLKIN, LOCK = &edges;
endmodule

module BUFG (input I, output O);
  assign O = I;
endmodule

module GOWIN_VCC (output V);
  assign V = 1'b1;
endmodule

module GOWIN_GND (output G);
  assign G = 1'b0;
endmodule

// A look-up table whose lower four bits are a second one, of I0 and I1, that gives the carry where the first is low.
// nextpnr gives tables of its own (RAW_ALU_LUT) to cells with constant inputs, which it opens, and to those at a chain's
// ends. As one ?: behind another they take unknown levels where a table does not depend on them. I2 is high.
// Source: Apicula's doc/alu.md and chipdb.py.
module ALU (input I0, I1, I2, I3, CIN, output SUM, COUT);
  parameter ALU_MODE = 0;
  parameter [15:0] RAW_ALU_LUT = ALU_MODE == 0 ? 16'h606a : ALU_MODE == 1 ? 16'h909a : ALU_MODE == 2 ? 16'h609a
      : ALU_MODE == 3 ? 16'h909f : ALU_MODE == 4 ? 16'h909a : ALU_MODE == "C2L" ? 16'h0000
      : ALU_MODE == "ONE2C" ? 16'h000f : 16'hxxxx;
  wire [3:0] sums = I3 ? RAW_ALU_LUT[15:12] : RAW_ALU_LUT[7:4];
  wire [1:0] by_1 = I1 ? sums[3:2] : sums[1:0], carries = I1 ? RAW_ALU_LUT[3:2] : RAW_ALU_LUT[1:0];
  wire sum = I0 ? by_1[1] : by_1[0], carry = I0 ? carries[1] : carries[0];
  assign SUM = sum ^ CIN, COUT = sum ? CIN : carry;
endmodule

// 2,048 bytes of 8 or 9 bits behind two ports, of which each reads what was there before the clock. Words of several
// bytes have their enables in the address' low bits. MODE, of a port that writes: 0 its output stays, 1 it is the
// new word, 2 the old one.
module gowin_memory (
    input [1:0] clock, enable, write, reset,
    input [27:0] addresses,
    input [71:0] written,
    output [71:0] read
);
  parameter RESET_MODE = "SYNC", BYTE = 8, WIDTH_0 = 8, WIDTH_1 = 8, MODE_0 = 0, MODE_1 = 0;
  parameter [2048*BYTE-1:0] CONTENT = 0;
  reg [BYTE-1:0] bytes[0:2047];
  integer index;
  initial for (index = 0; index < 2048; index = index + 1) bytes[index] = CONTENT[BYTE*index+:BYTE];

  genvar port;
  for (port = 0; port < 2; port = port + 1) begin : ports
    localparam WIDTH = port ? WIDTH_1 : WIDTH_0, MODE = port ? MODE_1 : MODE_0;
    localparam COUNT = WIDTH > BYTE ? WIDTH / BYTE : 1, BITS = WIDTH < BYTE ? WIDTH : BYTE;
    wire [13:0] address = addresses[14*port+:14];
    wire [10:0] first = address[13:3] & ~(COUNT - 1);
    wire [2:0] bit_place = BITS < 8 ? address[2:0] & ~(BITS - 1) : 0;
    reg [35:0] old, next, word = 0;
    integer place;
    wire at_once = RESET_MODE == "ASYNC" && reset[port];
    always @(posedge at_once) word <= 0;
    always @(posedge clock[port]) begin
      if (enable[port]) begin
        old = 0;
        next = 0;
        for (place = 0; place < COUNT; place = place + 1) begin
          old[BYTE*place+:BITS] = bytes[first+place][bit_place+:BITS];
          next[BYTE*place+:BITS] = COUNT == 1 || address[place]
              ? written[36*port+BYTE*place+:BITS] : old[BYTE*place+:BITS];
          if (write[port]) bytes[first+place][bit_place+:BITS] <= next[BYTE*place+:BITS];
        end
        if (!write[port] || MODE == 2) word <= old;
        else if (MODE == 1) word <= next;
      end
      if (reset[port]) word <= 0;
    end
    assign read[36*port+:36] = word;
  end
endmodule

`define CONTENT_PARAMETERS \
    INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0, \
    INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0, \
    INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, \
    INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, \
    INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0, \
    INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0, \
    INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0, \
    INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, \
    INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, \
    INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0, \
    INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
`define CONTENT { \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00 \
  }

// Ports and parameters of the part's own memories. Synthesis uses no output registers.
`define SINGLE_PORT(byte) ( \
    input CLK, CE, OCE, RESET, WRE, \
    input [13:0] AD, \
    input [2:0] BLKSEL, \
    input [4*byte-1:0] DI, \
    output [4*byte-1:0] DO \
); \
  parameter READ_MODE = 0, RESET_MODE = "SYNC", WRITE_MODE = 0, BIT_WIDTH = 4 * byte, BLK_SEL = 0; \
  parameter [32*byte-1:0] `CONTENT_PARAMETERS; \
  wire [71:0] read; \
  assign DO = read; \
  wire [71:0] data = DI; \
  gowin_memory #( \
      .RESET_MODE(RESET_MODE), .BYTE(byte), .WIDTH_0(BIT_WIDTH), .MODE_0(WRITE_MODE), \
      .CONTENT(`CONTENT) \
  ) memory ( \
      .clock({1'b0, CLK}), .enable({1'b0, CE & BLKSEL == BLK_SEL}), .write({1'b0, WRE}), .reset({1'b0, RESET}), \
      .addresses({14'd0, AD}), .written(data), .read(read) \
  ); \
  if (READ_MODE) not_modelled not_modelled ();
module SP `SINGLE_PORT(8)
endmodule
module SPX9 `SINGLE_PORT(9)
endmodule

`define DUAL_PORT(byte) ( \
    input CLKA, CEA, OCEA, RESETA, WREA, CLKB, CEB, OCEB, RESETB, WREB, \
    input [13:0] ADA, ADB, \
    input [2:0] BLKSELA, BLKSELB, \
    input [2*byte-1:0] DIA, DIB, \
    output [2*byte-1:0] DOA, DOB \
); \
  parameter READ_MODE0 = 0, READ_MODE1 = 0, RESET_MODE = "SYNC", WRITE_MODE0 = 0, WRITE_MODE1 = 0; \
  parameter BIT_WIDTH_0 = 2 * byte, BIT_WIDTH_1 = 2 * byte, BLK_SEL_0 = 0, BLK_SEL_1 = 0; \
  parameter [32*byte-1:0] `CONTENT_PARAMETERS; \
  wire [71:0] read; \
  assign DOA = read, DOB = read[71:36]; \
  wire [35:0] written_a = DIA, written_b = DIB; \
  gowin_memory #( \
      .RESET_MODE(RESET_MODE), .BYTE(byte), .WIDTH_0(BIT_WIDTH_0), .WIDTH_1(BIT_WIDTH_1), \
      .MODE_0(WRITE_MODE0), .MODE_1(WRITE_MODE1), .CONTENT(`CONTENT) \
  ) memory ( \
      .clock({CLKB, CLKA}), .enable({CEB & BLKSELB == BLK_SEL_1, CEA & BLKSELA == BLK_SEL_0}), \
      .write({WREB, WREA}), .reset({RESETB, RESETA}), .addresses({ADB, ADA}), \
      .written({written_b, written_a}), .read(read) \
  ); \
  if (READ_MODE0 || READ_MODE1) not_modelled not_modelled ();
module DPB `DUAL_PORT(8)
endmodule
module DPX9B `DUAL_PORT(9)
endmodule

`define SEMI_DUAL_PORT(byte) ( \
    input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB, \
    input [13:0] ADA, ADB, \
    input [2:0] BLKSELA, BLKSELB, \
    input [4*byte-1:0] DI, \
    output [4*byte-1:0] DO \
); \
  parameter READ_MODE = 0, RESET_MODE = "SYNC"; \
  parameter BIT_WIDTH_0 = 4 * byte, BIT_WIDTH_1 = 4 * byte, BLK_SEL_0 = 0, BLK_SEL_1 = 0; \
  parameter [32*byte-1:0] `CONTENT_PARAMETERS; \
  wire [71:0] read; \
  assign DO = read[71:36]; \
  wire [71:0] data = DI; \
  gowin_memory #( \
      .RESET_MODE(RESET_MODE), .BYTE(byte), .WIDTH_0(BIT_WIDTH_0), .WIDTH_1(BIT_WIDTH_1), .CONTENT(`CONTENT) \
  ) memory ( \
      .clock({CLKB, CLKA}), .enable({CEB & BLKSELB == BLK_SEL_1, CEA & BLKSELA == BLK_SEL_0}), .write(2'b01), \
      .reset({RESETB, 1'b0}), .addresses({ADB, ADA}), .written(data), .read(read) \
  ); \
  if (READ_MODE) not_modelled not_modelled ();
module SDPB `SEMI_DUAL_PORT(8)
endmodule
module SDPX9B `SEMI_DUAL_PORT(9)
endmodule
