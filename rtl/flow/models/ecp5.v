// What Yosys' models of ECP5 cells leave out or model for synthesis only. Source of the memory: Lattice FPGA-TN-02204.

// The clock is the oscillator's, so that one cycle is one cycle, and it locks soon.
module EHXPLLL (
    input CLKI, CLKFB, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, STDBY, PLLWAKESYNC, RST, ENCLKOP,
    output CLKOP, LOCK
);
  parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0;
  parameter CLKOP_ENABLE = "ENABLED", FEEDBK_PATH = "CLKOP";
  reg [4:0] edges = 0;
  always @(posedge CLKI) if (~&edges) edges <= edges + 1;
  assign CLKOP = CLKI, LOCK = &edges;
endmodule

// The way to the configuration's clock pin, which the proof's top module looks into.
module USRMCLK (input USRMCLKI, USRMCLKTS);
endmodule

// Pads; an open tri-state input drives. Yosys' own model never sees one that is constant.
module BB (inout B, input I, T, output O);
  TRELLIS_IO #(.DIR("BIDIR")) pad (.B(B), .I(I), .T(T), .O(O));
endmodule

module TRELLIS_IO (inout B, input I, T, output O);
  parameter DIR = "INPUT", DATAMUX_ODDR = "PADDO", DATAMUX_MDDR = "PADDO";
  assign B = DIR == "INPUT" || T === 1'b1 ? 1'bz : I;
  assign O = B;
endmodule

module TRELLIS_FF (input CLK, LSR, CE, DI, M, output reg Q);
  parameter GSR = "DISABLED", CEMUX = "1", CLKMUX = "CLK", LSRMUX = "LSR", SRMODE = "LSR_OVER_CE";
  parameter REGSET = "RESET", SD = "1";
  localparam VALUE = REGSET == "SET";
  wire clock = CLKMUX == "INV" ? ~CLK : CLK;
  wire reset = LSRMUX == "INV" ? ~LSR : LSR;
  wire enable = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? ~CE : CE;
  wire data = SD == "0" ? M : DI;
  initial Q = VALUE;
  generate
    if (SRMODE == "ASYNC") begin
      always @(posedge clock, posedge reset)
        if (reset) Q <= VALUE;
        else if (enable) Q <= data;
    end else begin
      always @(posedge clock)
        if (reset) Q <= VALUE;
        else if (enable) Q <= data;
    end
  endgenerate
endmodule

// A block memory of 1,024 words of 18 bits, 20 bits of INITVAL each; of 36 bits both ports together. A byte has 9 bits,
// of which narrower words use 8. Both ports read what was there before the clock.
module DP16KD (
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15,
        DIA16, DIA17, ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13, CEA,
        OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2, DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10,
        DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17, ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9,
        ADB10, ADB11, ADB12, ADB13, CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
        DOA16, DOA17, DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14,
        DOB15, DOB16, DOB17
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL", CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "ENABLED";
  parameter ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
  localparam [20479:0] CONTENT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };
  wire [17:0] data_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] data_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0
  };
  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
  };
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
  };
  wire clock_a = CLKAMUX == "INV" ? ~CLKA : CLKA, clock_b = CLKBMUX == "INV" ? ~CLKB : CLKB;
  wire chosen_a = CEA & ~(CSA2 | CSA1 | CSA0), chosen_b = CEB & ~(CSB2 | CSB1 | CSB0);

  reg [8:0] bytes[0:2047];
  reg [35:0] out_a = 0, out_b = 0, late_a = 0, late_b = 0;
  integer index;
  initial
    for (index = 0; index < 2048; index = index + 1)
      bytes[index] = CONTENT[20 * (index / 2) + 9 * (index % 2) +: 9];

  function [35:0] word(input [13:0] address, input integer width);
    case (width)
      36: word = {
        bytes[{address[13:5], 2'd3}], bytes[{address[13:5], 2'd2}],
        bytes[{address[13:5], 2'd1}], bytes[{address[13:5], 2'd0}]
      };
      18: word = {bytes[{address[13:4], 1'b1}], bytes[{address[13:4], 1'b0}]};
      9: word = bytes[address[13:3]];
      default: word = bytes[address[13:3]] >> (address[2:0] & ~(width - 1)) & (1 << width) - 1;
    endcase
  endfunction

  task write(input [13:0] address, input integer width, input [35:0] data);
    integer place;
    case (width)
      36: for (place = 0; place < 4; place = place + 1)
        if (address[place]) bytes[{address[13:5], 2'd0} + place] <= data[9 * place +: 9];
      18: for (place = 0; place < 2; place = place + 1)
        if (address[place]) bytes[{address[13:4], 1'd0} + place] <= data[9 * place +: 9];
      9: bytes[address[13:3]] <= data[8:0];
      4: bytes[address[13:3]][{address[2], 2'd0} +: 4] <= data[3:0];
      2: bytes[address[13:3]][{address[2:1], 1'd0} +: 2] <= data[1:0];
      default: bytes[address[13:3]][address[2:0]] <= data[0];
    endcase
  endtask

  wire at_once_a = RESETMODE == "ASYNC" & RSTA;
  always @(posedge clock_a, posedge at_once_a)
    if (RSTA) {late_a, out_a} <= 0;
    else begin
      if (OCEA) late_a <= out_a;
      if (chosen_a & ~WEA | chosen_a & WRITEMODE_A == "READBEFOREWRITE")
        out_a <= word(address_a, DATA_WIDTH_A);
    end
  always @(posedge clock_a) if (chosen_a & WEA) write(address_a, DATA_WIDTH_A, {data_b, data_a});

  wire at_once_b = RESETMODE == "ASYNC" & RSTB;
  always @(posedge clock_b, posedge at_once_b)
    if (RSTB) {late_b, out_b} <= 0;
    else begin
      if (OCEB) late_b <= out_b;
      if (chosen_b & ~WEB | chosen_b & WRITEMODE_B == "READBEFOREWRITE")
        out_b <= word(address_b, DATA_WIDTH_B);
    end
  always @(posedge clock_b) if (chosen_b & WEB) write(address_b, DATA_WIDTH_B, {18'd0, data_b});

  wire [35:0] read_a = REGMODE_A == "OUTREG" ? late_a : out_a, read_b = REGMODE_B == "OUTREG" ? late_b : out_b;
  wire both = DATA_WIDTH_B == 36;
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0
  } = both ? read_b[17:0] : read_a[17:0];
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
  } = both ? read_b[35:18] : read_b[17:0];
  generate
    if (WRITEMODE_A == "WRITETHROUGH" || WRITEMODE_B == "WRITETHROUGH" || {CSDECODE_A, CSDECODE_B} != "0b0000b000")
      not_modelled not_modelled ();
  endgenerate
endmodule

module DCCA (input CLKI, CE, output CLKO);
  assign CLKO = CLKI;
endmodule

// What nextpnr places: a look-up table that may be half of a carry cell or a bit of a distributed memory, with the
// multiplexer behind it. Yosys' own model has a carry that stays within it.
module TRELLIS_COMB (
    input A, B, C, D, M, FCI, F1, FXA, FXB, WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
    output F, FCO, OFX
);
  parameter MODE = "LOGIC", CCU2_INJECT1 = "NO", WREMUX = "WRE", WCKMUX = "WCK";
  parameter [15:0] INITVAL = 0;
  parameter WIDER = 0;
  wire [3:0] place = {D, C, B, A};
  wire level;
  assign F = level, OFX = WIDER ? M ? FXB : FXA : M ? F1 : F;
  generate
    if (MODE == "CCU2") begin : carry
      wire found = INITVAL[place];
      wire injected = CCU2_INJECT1 == "YES";
      assign level = found ^ (~injected & FCI);
      assign FCO = found ? FCI : ~injected & INITVAL[place[1:0]];
    end else if (MODE == "DPRAM") begin : distributed
      reg [15:0] words = INITVAL;
      wire clock = WCKMUX == "INV" ? ~WCK : WCK;
      wire write = WREMUX == "1" ? 1'b1 : WREMUX == "0" ? 1'b0 : WREMUX == "INV" ? ~WRE : WRE;
      always @(posedge clock) if (write) words[{WAD0, WAD2, WAD1, WAD3}] <= WD;
      assign level = words[place];
    end else assign level = INITVAL[place];
  endgenerate
endmodule

// The write side of a distributed memory: address and data on their way to the look-up tables.
module TRELLIS_RAMW (
    input A0, B0, C0, D0, A1, B1, C1, D1,
    output WADO0, WADO1, WADO2, WADO3, WDO0, WDO1, WDO2, WDO3
);
  assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
  assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule
