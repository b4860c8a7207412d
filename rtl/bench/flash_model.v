// A flash memory of four data lines in a simulation, as far as rtl/link/flash_reader.py speaks to it: release from
// power-down, status register 2 for this power-up alone, fast read with four outputs. Its bytes from BEGIN on are those
// of flash.mem. It samples at the clock's rising edge and changes its lines at the falling one.
module flash_model #(
    parameter integer BEGIN = 0,
    parameter integer BYTES = 1
) (
    input select,
    input clock,
    input command,
    output reg speaks,
    output reg [3:0] data
);
  localparam [7:0] WAKE = 8'hab, VOLATILE = 8'h50, STATUS = 8'h31, READ = 8'h6b;
  localparam integer HEADER = 40;  // clocks of a read's command, address and dummies

  reg [7:0] contents[0:BYTES-1];
  reg awake = 0, quad = 0, unlocked = 0;
  reg [HEADER-1:0] heard = 0;
  integer clocks = 0;
  wire reads = awake && quad && clocks >= HEADER && heard[HEADER-1-:8] == READ;
  wire [31:0] nibble = clocks - HEADER;
  wire [31:0] place = {8'd0, heard[31:8]} - BEGIN + nibble / 2;
  wire [7:0] value = place < BYTES ? contents[place] : 8'hff;

  initial begin
    speaks = 0;
    data   = 0;
    $readmemh("flash.mem", contents);
  end

  always @(posedge clock or posedge select)
    if (select) begin
      clocks <= 0;
      if (clocks == 8 && heard[7:0] == WAKE) awake <= 1;
      unlocked <= awake && clocks == 8 && heard[7:0] == VOLATILE;
      if (unlocked && clocks == 16 && heard[15:8] == STATUS) quad <= heard[1];
    end else begin
      clocks <= clocks + 1;
      if (clocks < HEADER) heard <= {heard[HEADER-2:0], command};
    end

  always @(negedge clock or posedge select)
    if (select) speaks <= 0;
    else begin
      speaks <= reads;
      data   <= nibble[0] ? value[3:0] : value[7:4];
    end
endmodule
